"""A-ASSOCIATE PDUs as Orthanc 1.10.1 writes them, taken from it on a loopback connection."""

import zlib
from base64 import b85decode

#: storage commitment of one instance
COMMITMENT = bytes.fromhex(
    "0100000000e700010000504545522020202020202020202020204f525448414e4320202020202020202000000000000000000000000000000000"
    "0000000000000000000000000000000010000015312e322e3834302e31303030382e332e312e312e31200000480100ff0030000014312e322e38"
    "34302e31303030382e312e32302e3140000011312e322e3834302e31303030382e312e3240000013312e322e3834302e31303030382e312e322e"
    "315000003a51000004000040005200001b312e322e3237362e302e373233303031302e332e302e332e362e375500000f4f464649535f44434d54"
    "4b5f333637"
)
#: its answer to storescu -R
ACCEPT_STORESCU_R = bytes.fromhex(
    "0200000000d700010000414e592d53435020202020202020202053544f5245534355202020202020202000000000000000000000000000000000"
    "0000000000000000000000000000000010000015312e322e3834302e31303030382e332e312e312e312100001b0100000040000013312e322e38"
    "34302e31303030382e312e322e31210000190300000040000011312e322e3834302e31303030382e312e325000003a5100000400004000520000"
    "1b312e322e3237362e302e373233303031302e332e302e332e362e375500000f4f464649535f44434d544b5f333637"
)
#: C-ECHO; zlib, base 85
ECHO = zlib.decompress(
    b85decode(
        "c-muRU|?XH$H2(I5a8+>q<{qcgF-wU{hZ-^1_D5UfkD(z&q&Y0#6Zu`z`(#l&sfh81c5qZ7#aRE7%(shqACDNI$#kr0tyOa2!hpO5jFyvpT-O^"
        "Um8`~6sW)iqL*qmu@bP!h-x;m6ST>QIyNP8LTnPlW|J{Byc58{U=_%~z{0@bzz_uWl99QYo`IgZk+Fe+p#d<hfUudKc_;$|zrUNCXK=iWvu}uZ"
        "ys?=%0F+m6R{"
    )
)
#: C-FIND of studies; zlib, base 85
QUERY = zlib.decompress(
    b85decode(
        "c-muRU|?XH$H2(I5a8+>q<{qcgF-wU{hZ-^1_D5UfkD(z&q&Y0#6Zu`z`(#l&sfh81c5qZ7#aRE7%(shqACDNI$#kr0tyOa2!hpO5jFyvpT-O^"
        "Um8`~6sW)iqL*qmu@bP!h-x;m6ST>QIyNP8LTnPlW|J{Byc58{U=_%~z{0@bzz_uWl99QYo`IgZk+Fe+p#d<hfUudKc_;$|zrUNCXK=iWvu}uZ"
        "ys?=%0F+m6R{"
    )
)
#: C-STORE of a CT image; zlib, base 85
STORE = zlib.decompress(
    b85decode(
        "c-obje`rl%7{}j*Bx%-Kni&(4<T&Ttd(S!7tZmK4T6gEi?vkV>Ns=T<k|arzBuSDaNs=T<k|arzv?NKABuSEl<PXl>l`PKle7|?y?r!&dzJ1^4"
        "ea`bf?|W*DF|)s#8e^jF?xf|fSD2KSb@q4t`EHcgWMdi}%e8{MZ8^4W2UgB<Dt{>%)R>>fHl}g(1%>qI{K!RahcWe|f2@3~u%$5oTlWw9e?d1D"
        "Ts*ES*qkL;Oy9X|L-BZ!r%X*yM1%BNM=&)J<SA2=)RCs2f~i`NXH2!$RYj*|i8|>&*`A_$45#AMppG*q#%T)3Q>GgAjPMGAsV0!8Of>_dMZwez"
        "kf$<grk)Z)fr@5fI2ETk`Z#k^jhYMcjHzIrQi+8WFU<#7#>}DxRl%lAL8*p^3n7}CGDiuyqZEN0$Wu`&sN)neJM<x%ic(P>r7K3M738TXwW;G2"
        "EQRe5O+~3w9i?a~?gDwrRJSH-%iX|Ikf)}uR|&qDO<^BIQ-(^4q!^<xglKBoVtpxag(46SfIMTWZLlgjJu??vIm46Xr~qYag{~?lRI(Bkpr&vY"
        "u;Y-Xa0uk7u4%R2_6U)R)?hdlr?u)h<;7(k$Wx})>-SGVYI!$+JY{MlAZiPyHi10VUv5@<L}6Q3+5)gt9p9=}VySc52GNwE?TVx?8rlKTl%buf"
        "q||}$f@sRnZdFoRdiOvyWoWM|DWr6`526`E#r;*ushRzbaL@N2Kw!pB`@yPWOXdjEn5SQbye=QYB`9l$F<l{{%13Ys%Gyy(S4ge$F<gR5_~Y7E"
        "$PI*qKLOFyI(JfEr}EM|cM9aG&grz?`UsUXI)mX<VK}SY+ny&BhI0r^**UK%`huMc2ux+sMI{UJf!LhHmq4B}br}#9W-Yz~@|3BofT*-nxd!r-"
        "sq28Kv@N&+@|3BYfT(mle+%R(Q?~(8>Dc)W$Wx~70-{1ai0^?swO6^X>^B5Mr3U~@EhrC_6~Xhw2N;hqoU$~mYf7gBk1?F;o1S1zkC5Nxr?>=_"
        ";?IBs8mU4(2YITQd!e*r;tYl_A(}GuN|6+wuY|85nmR6gqn!4Qq=R%^_!bqQY`sHNg@Ta0M+GQb9}rccjY>YE0+g*!h^kN&lFz6BRY1RJUA}mf"
        "8GXZWs!Dwa9==Np@eh!PO+{%@h>aO*OovH+-`cM4S+?c7Ioo#Z^ro)7J<A_7rZ(*9=^Yqa(p4(=4dp!l7voB(wE"
    )
)
#: its answer to storescu, which proposes all it knows; zlib, base 85
ACCEPT_STORESCU = zlib.decompress(
    b85decode(
        "c-n>6Z72j$6vpxEElFCEBne59jG0|_yd<=C*(C2IX_F*Lk|arzBuSDaNs=T<k|arzBuSDaNs=T<k|asYBt`OfZui6OIlue)9A_bfVN^H?k(O`C"
        "v=>`LzRFUlgnTdYPk9UBr$|OAK30|#S(f7^lceY;RER+Be~~JL@6QJPrN;p-pRv!cShsF$-N|~e^(5=X)<D*WtuI+Ww*F)T*angfVjE00lx-N<"
        "aJCU-BiTlgjb<A|R$*%*8^=~9o4_`SY%<#vvT1BBWUXv7$lBRvk<DhCLpG0X0ofw9C1gw4mXR%I>mXafwvucW+iJ2kY-`EZv8^ZDz_yWW6WeC8"
        "Eo@uKwy|v|+rhSzY!};ZvOR2j$@a1BCp*A)kn9lKVX`A^N6C({9Va`%c9QHA+i9{hY-h>Nv7INoz;==B65D06D{NQEuCZMwyTNvo>=xT?vO8>d"
        "$?mb;Cwsv5kn9oLW3ne~PsyIKJtup?_LA%s+iS8nY;VclvArkz!1j^s6WeF9FKl1QzOjA(%jOD^sLhkEdYrHC4qAgzHA}Lj8cnjS$l9W;U$dlY"
        "qoX0mX0sPK(k<DASq_s~{QysBRHF"
    )
)
#: its answer to getscu -S, with roles; zlib, base 85
ACCEPT_GETSCU = zlib.decompress(
    b85decode(
        "c-oEEkBbap9LMqJ{790H<kxX$&(EYA^E}VYGqXwP97#C#E=js1Ns=T<k|arzBuSDaNs=T<k|arzBuSDaNs{~rW_Rzd#J<1Zy|#Am_34@KGc(V3"
        "o*iP0Da|%b#w=OAp`+5-T^e{T@9L>^_6~k68R0d?nDI7pQJ%z+jpI0vd}OPC?Z!+g#y5+N8TWUf`mM%8nTIovU>?alig`41GxJ#Ham?eHCo)fF"
        "p2FP9JdL@Xc?R<=<~huBnddQgFwbYU%$_-A&X~*03z!!&FJfN8+{xU<yqtLj^GfDb%xjp}GFO;;nb$LKVBW~QiMfw?GxHYat<2k)w=?fx-pRa+"
        "c{lSO=Dp1OnD;XuU_Quvi1{${5$2=J$C!^ZpI|=8e2V!r^BLx|%;%WTGhbl7$b5<UGV>MYtIXG!uQT6ZzR7%x`8M+%=DW=InC~+`V1CH_i1{(|"
        "6XvJP&zPSxzhHjJ{EGQC^Bd;3%<q`rGk;+I$oz@<GxHbbugu?=zcc?}{>l7{`FCUPHe=h0?cA_xU|n@9U;NW$A&R5S`8c+5@q4!V4pG))OuK3Q"
        "dyKRgC8_=3Ef;TZnxs(ixfUv!sf|Ke9=Td(TD_eAWvsW-vGQVuRxT)!3$n$BT4uUwYg~|S{yx$a9#T!HtSH<m2J(p}RG(a{ncVPbQou>|hR}Zs"
        ">B`Gz*$$p%9LLGyIL$a#9!C?36GcUFB3Gm+I+4$_;y~8NiW|p?i#ha9oR*gxJcpcek!sC5Ii$E>t<@aOsg`^eEBazCR-|cXi9EC7SYA<dT9$7{"
        "C*Nse|FJGtJvZb`S#>eeSn6eoJS%bHnI_`ph?OJta@$Nx!|SBE{jyqSrYSYd6vY%@oiZn0u6$sD$zvtrSh1p`xm<B~B(b6~c<GFXASN=oxrF{n"
        "O*NDL7xGCY4wB?nUV+t6(1e^OWHq6(CX{PJsV3w#p-k!vnPQKVC^DM8lBOdD<?`{0vE;fH9XRBwxuu#1w3T-jV#F&ujJ6XwWiC-&zEs-s)N50v"
        "oGO*5QeKq`iawdDepy*nO5U*P_F^GZ3{*c@i<$6mrZ_(_sVhruB$WbX>EU6;Ele&y4dtU)oTu0>gA|baQl?l)nd;Ukj@4^S^O|MLR#f_ycCPAK"
        "+2=#{2Z_=Viv"
    )
)

REQUESTS = {"echo": ECHO, "query": QUERY, "store": STORE, "commitment": COMMITMENT}
#: Its answers by the name of DCMTK's request, see captured.py.
ANSWERS = {"storescu -R": ACCEPT_STORESCU_R, "storescu": ACCEPT_STORESCU, "getscu": ACCEPT_GETSCU}
